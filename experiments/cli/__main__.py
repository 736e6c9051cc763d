"""``python -m experiments.cli`` is ``flexpolder``, where the script is not on the path (as in a job on a cluster)."""

from experiments.cli import main

if __name__ == "__main__":
    main()
