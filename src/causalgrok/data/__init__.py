"""Datasets: where images, labels, hospitals and slides come from, and how they are cut into splits and subsets."""
