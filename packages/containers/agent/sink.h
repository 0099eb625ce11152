// Pipes of background children whose exec has ended.
#ifndef SINK_H
#define SINK_H

// Takes over a descriptor and reads it to nowhere until its end, so that who still writes there neither blocks nor dies.
void sink_open(int fd);

#endif
