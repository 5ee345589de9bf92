"""What a network trained on a few hundred images stored: the signal or the shortcut, and whether it grokked."""
