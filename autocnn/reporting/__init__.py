"""A study for people to read: leaderboard, report page, model card. No Keras, no new scores."""
