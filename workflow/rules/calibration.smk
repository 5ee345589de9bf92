"""Tests and detector themselves on trial: generated data whose truth is known."""


rule calibrate_tests:
    """How often does every test reject where there is nothing to find?"""
    output:
        "<tables>/calibration.parquet",
    log:
        "<logs>/calibrate_tests/{study}.log",
    benchmark:
        "<benchmarks>/calibrate_tests/{study}.jsonl"
    conda:
        "../../envs/statistics.yaml"
    params:
        calibration=calibration_settings,
        code=code("calibrate_tests"),
    script:
        "../scripts/calibrate_tests.py"


rule calibrate_detector:
    """What does the grokking detector call runs whose kind is known?"""
    output:
        "<tables>/confusion.parquet",
    log:
        "<logs>/calibrate_detector/{study}.log",
    benchmark:
        "<benchmarks>/calibrate_detector/{study}.jsonl"
    conda:
        "../../envs/statistics.yaml"
    params:
        calibration=calibration_settings,
        detector=detector_of(None),
        code=code("calibrate_detector"),
    script:
        "../scripts/calibrate_detector.py"
