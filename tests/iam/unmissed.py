UNMISSED: dict[tuple[str, str, str], str] = {}
