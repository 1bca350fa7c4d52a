"""What does it look like? Colours, overlays and figures; everything here takes either kind of answer."""
