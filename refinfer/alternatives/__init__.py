"""The same network in other ways: of another size, in other types, with its weights shared, pruned or coded."""
