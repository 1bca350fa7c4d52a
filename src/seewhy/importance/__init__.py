"""How much does a part of the features count? Shares of the logit, from a split on."""
