"""Photos and their boxes go in; fields composed anew come out, with what the locator is taught of each place."""
