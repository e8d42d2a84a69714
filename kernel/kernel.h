/* The kernel's door: everything another folder may use. */
#ifndef OCTO_KERNEL_KERNEL_H
#define OCTO_KERNEL_KERNEL_H

#include "kernel/base.h"
#include "kernel/config.h"
#include "kernel/event.h"
#include "kernel/format.h"
#include "kernel/machine.h"
#include "kernel/memory.h"
#include "kernel/node.h"
#include "kernel/trace.h"
#include "kernel/wire/wire.h"

#endif
