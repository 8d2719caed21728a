package lease

// ProcessOf names a process as a claim does; Gone says whether it has ended.
var ProcessOf, Gone = processOf, gone
