package image

// mysqlCollations is the highest collation id of MySQL that is MySQL's own. From
// 1024 on its administrators number theirs, where MariaDB has some of its own.
const mysqlCollations = 350

// charsetOf names the charset of a collation id, "" for one that neither MySQL
// nor MariaDB is known to have. The two servers agree on the ids they share.
func charsetOf(collation uint64) string {
	switch {
	case collation >= 1024 && collation < 1280:
		collation -= 1024 // MariaDB: the same collation without padding
	case collation >= 2048 && collation < 3328: // MariaDB: UCA 14.0.0
		return [...]string{"utf8mb3", "utf8mb4", "ucs2", "utf16", "utf32"}[(collation-2048)/256]
	case collation >= 576 && collation < 768: // MariaDB: later additions
		return [...]string{"utf8mb3", "utf8mb4", "ucs2", "utf16", "", "utf32"}[(collation-576)/32]
	}
	switch {
	case collation >= 101 && collation <= 124:
		return "utf16"
	case collation >= 128 && collation <= 159:
		return "ucs2"
	case collation >= 160 && collation <= 183:
		return "utf32"
	case collation >= 192 && collation <= 223:
		return "utf8mb3"
	case collation >= 224 && collation <= 247, collation >= 255 && collation <= 350: // from 255: MySQL, UCA 9.0.0
		return "utf8mb4"
	case collation >= 248 && collation <= 250:
		return "gb18030"
	}
	return collations[collation]
}

var collations = func() map[uint64]string {
	m := make(map[uint64]string)
	for charset, ids := range map[string][]uint64{
		"armscii8": {32, 64}, "ascii": {11, 65}, "big5": {1, 84}, "binary": {63},
		"cp1250": {26, 34, 44, 66, 99}, "cp1251": {14, 23, 50, 51, 52}, "cp1256": {57, 67},
		"cp1257": {29, 58, 59}, "cp850": {4, 80}, "cp852": {40, 81}, "cp866": {36, 68},
		"cp932": {95, 96}, "dec8": {3, 69}, "eucjpms": {97, 98}, "euckr": {19, 85},
		"gb2312": {24, 86}, "gbk": {28, 87}, "geostd8": {92, 93}, "greek": {25, 70},
		"hebrew": {16, 71}, "hp8": {6, 72}, "keybcs2": {37, 73}, "koi8r": {7, 74},
		"koi8u": {22, 75}, "latin1": {5, 8, 15, 31, 47, 48, 49, 94},
		"latin2": {2, 9, 21, 27, 77}, "latin5": {30, 78}, "latin7": {20, 41, 42, 79},
		"macce": {38, 43}, "macroman": {39, 53}, "sjis": {13, 88}, "swe7": {10, 82},
		"tis620": {18, 89}, "ucs2": {35, 90}, "ujis": {12, 91}, "utf16": {54, 55},
		"utf16le": {56, 62}, "utf32": {60, 61}, "utf8mb3": {33, 76, 83}, "utf8mb4": {45, 46},
	} {
		for _, id := range ids {
			m[id] = charset
		}
	}
	return m
}()
