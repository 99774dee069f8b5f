"""What several tests need: contracts deployed without ape, and cities that issue and ride."""
