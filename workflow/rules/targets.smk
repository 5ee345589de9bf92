"""Every study is a target of its own name."""

for study in settings.studies:

    rule:
        """Everything of one study."""
        name:
            study
        input:
            study_targets(study),
        localrule: True
