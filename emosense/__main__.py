"""`python -m emosense` is `emosense-batch`."""

from emosense.cli.main import main

if __name__ == "__main__":
    main()
