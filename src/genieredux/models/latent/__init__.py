"""Actions without labels: named by codes that are learned."""
