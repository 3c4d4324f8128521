"""The commands of `emosense-batch`, one module each: arguments in, one job run, its summary out."""
