// Package spill keeps records in temporary files, for stages that may not hold
// them all in memory.
//
//	            ┌ Partitions: 16 files by hash, each read back by itself ┐
//	records ──▶ │                                                        │ ──▶ records
//	   Codec    │ Runs: sorted runs in one file, merged k at a time      │
//	            └ Queue: first in, first out                             ┘
//	                        │
//	                        ▼
//	     Folder: millrace-spill-… in the temporary folder, gone after Close
//
// A record travels with an ordinal, which its owner chooses and by which ties
// are broken. Records are in blocks of up to 64 KiB, each with its length and a
// CRC-32C, so that a torn or damaged file is an error and never a wrong record.
//
// # The contract
//
// A record comes back equal to what was written: nil stays nil, and a
// time keeps its location (not its monotonic clock). What a record pointed to is
// a copy. Types that cannot keep this promise are refused by [NewCodec], by name.
//
// Files are made on first use and removed from the folder at once where the
// system allows that for open files, so that nothing stays of a process that is
// killed; what may stay (an empty folder; on Windows its files) is removed by the
// next process that spills to the same place. Errors name the folder.
//
// Folder and Partitions may be used by several goroutines at the same time; Runs, Queue
// and what reads files by one.
package spill
