"""HiGHS without its banner: one thread, no output, so that a run prints nothing and repeats exactly."""

from __future__ import annotations

import highspy


class QuietHighs(highspy.Highs):
    """A solver that is silent from its construction on (the plain one prints when it enables its callbacks)."""

    def enableCallbacks(self) -> None:
        """Silence the solver before the first call that would print."""
        self.setOptionValue("output_flag", False)
        self.setOptionValue("threads", 1)
        super().enableCallbacks()
