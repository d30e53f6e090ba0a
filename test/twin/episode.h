/* One episode; ends the process itself at times, as programs do. */
#ifndef TWIN_EPISODE_H
#define TWIN_EPISODE_H

void episode_run(unsigned long seed);

#endif
