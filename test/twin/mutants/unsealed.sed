# scan/image.c: a file that is written to later is restored from as if it were sealed
s/bool sealed = .*;/bool sealed = seals != 0;/
