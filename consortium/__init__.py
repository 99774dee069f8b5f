"""The administrators' work: deploying the contracts, and bringing cities in. What the scripts in `scripts/` run."""
