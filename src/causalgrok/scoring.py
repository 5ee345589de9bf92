from causalgrok.interventions.scoring import accuracy, auroc  # temporary
