/*
 * A floor for merges in place: what any program has to do that treats the runs of an overlay one by one. It reads the
 * header and the bitmap, and for each run of allocated sectors it reads the overlay and writes the backing file, in
 * pieces of up to 1 MiB. No checks, no locks, no journal, no times: not a tool to use.
 *
 *     cc -O2 -o floor floor.c && ./floor OVERLAY
 */
#define _FILE_OFFSET_BITS 64
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Version 3, big-endian, packed.  Source: Linux arch/um/drivers/cow_user.c, struct cow_header_v3 */
enum { SIZE_AT = 12, SECTOR_SIZE_AT = 20, ALIGNMENT_AT = 24, BACKING_AT = 32, HEADER_LENGTH = 4128 };
enum { PIECE = 1 << 20, BITMAP_PIECE = 1 << 16 };

static unsigned char piece[PIECE];
static unsigned char bitmap[BITMAP_PIECE];

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t big_endian(const unsigned char *bytes, int length)
{
	uint64_t value = 0;
	for (int i = 0; i < length; i++)
		value = value << 8 | bytes[i];
	return value;
}

static uint64_t round_up(uint64_t value, uint64_t multiple)
{
	return (value + multiple - 1) / multiple * multiple;
}

static void read_exact(int from, unsigned char *bytes, size_t length, off_t at)
{
	for (ssize_t count; length > 0; bytes += count, length -= count, at += count)
		if ((count = pread(from, bytes, length, at)) <= 0)
			fail("pread");
}

static void write_exact(int to, const unsigned char *bytes, size_t length, off_t at)
{
	for (ssize_t count; length > 0; bytes += count, length -= count, at += count)
		if ((count = pwrite(to, bytes, length, at)) <= 0)
			fail("pwrite");
}

static void copy_run(int from, int to, uint64_t data_at, uint64_t start, uint64_t end)
{
	while (start < end) {
		size_t length = end - start < PIECE ? end - start : PIECE;
		read_exact(from, piece, length, data_at + start);
		write_exact(to, piece, length, start);
		start += length;
	}
}

int main(int argc, char **argv)
{
	unsigned char header[HEADER_LENGTH + 1] = {0};
	int from = argc == 2 ? open(argv[1], O_RDONLY) : -1;
	if (from < 0)
		fail(argc == 2 ? argv[1] : "usage: floor OVERLAY");
	read_exact(from, header, HEADER_LENGTH, 0);
	int to = open((char *)header + BACKING_AT, O_RDWR);
	if (big_endian(header, 4) != 0x4f4f4f4d || big_endian(header + 4, 4) != 3 || to < 0)
		fail(argv[1]);

	uint64_t size = big_endian(header + SIZE_AT, 8);
	uint64_t sector_size = big_endian(header + SECTOR_SIZE_AT, 4);
	uint64_t alignment = big_endian(header + ALIGNMENT_AT, 4);
	uint64_t bitmap_at = round_up(HEADER_LENGTH, alignment);
	uint64_t bitmap_length = round_up(size, sector_size * 8) / sector_size / 8;
	uint64_t data_at = round_up(bitmap_at + bitmap_length, alignment);

	uint64_t sector = 0, run_start = 0;
	int in_run = 0;
	for (uint64_t at = 0; at < bitmap_length; at += BITMAP_PIECE) {
		size_t length = bitmap_length - at < BITMAP_PIECE ? bitmap_length - at : BITMAP_PIECE;
		read_exact(from, bitmap, length, bitmap_at + at);
		for (size_t i = 0; i < length; i++) {
			if (bitmap[i] == (in_run ? 0xff : 0)) {
				sector += 8;
				continue;
			}
			for (int bit = 0; bit < 8; bit++, sector++) {
				int is_allocated = bitmap[i] >> bit & 1;
				if (is_allocated && !in_run)
					run_start = sector;
				if (!is_allocated && in_run)
					copy_run(from, to, data_at, run_start * sector_size, sector * sector_size);
				in_run = is_allocated;
			}
		}
	}
	if (in_run)
		copy_run(from, to, data_at, run_start * sector_size, size);
	return 0;
}
