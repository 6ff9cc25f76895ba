"""What every engine, executor and tracker has to keep, as tests that one's own can be put to.

    from autocnn.testing.engines import EngineContract

    class TestMyEngine(EngineContract):
        def make_engine(self, directory, space, *, seed):
            return MyEngine(space, seed=seed)

pytest finds the tests of the class that they are inherited from. One that does not apply is
overridden, with the reason.
"""
