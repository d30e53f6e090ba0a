# scan/reset.c: the blind restore stores without asking whether it may
s/    else if (stores_safe)/    else if (true)/
