"""Probes and interventions on the features of a checkpoint."""
