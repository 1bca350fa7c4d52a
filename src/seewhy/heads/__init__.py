"""From concepts to logits: linear heads with a proof of how near the optimum they are."""
