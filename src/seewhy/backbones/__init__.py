"""From a picture to features: any network as it is, where its maps are read, and where it can be split."""
