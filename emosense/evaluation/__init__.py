"""Who is tested on what, how well it went, and how sure that is: splits, metrics, intervals and calibration."""
