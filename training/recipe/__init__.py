"""A TOML file goes in; what a run is made of comes out: settings, network, loss, augmentation."""
