"""`python -m autocnn` is the `autocnn` command."""

from autocnn.cli.main import main

if __name__ == "__main__":
    main()
