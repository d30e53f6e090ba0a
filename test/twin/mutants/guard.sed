# scan/reset.c: the blind restore stores without asking whether it may
s/int error = fill_safely(files, start, end - start);/int error = (fill_with_zeroes(start, end - start), 0);/
