"""Our vehicle in the place of one of the drivers of simulated traffic."""
