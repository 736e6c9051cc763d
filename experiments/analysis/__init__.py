"""From runs to answers: intervals, differences, sensitivities, scenario discovery, robustness, who wins."""
