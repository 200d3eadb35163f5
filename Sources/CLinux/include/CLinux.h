#pragma once
#include <sys/eventfd.h>
#include <sys/file.h>
