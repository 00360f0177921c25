from face_sets import shared_faces  # noqa: F401 - a fixture
