package image_test

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"math/rand/v2"
	"strings"
	"time"

	"chartwire/cdc/mysql/image"

	"github.com/linkedin/goavro/v2"
)

// unit is the microseconds that the last digit of a fraction stands for.
func unit(fsp int) int {
	n := 1
	for range 6 - fsp {
		n *= 10
	}
	return n
}

// fractionBytes are the bytes behind a time with fsp digits: pairs of digits.
func fractionBytes(us, fsp int) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(us/unit((fsp+1)/2*2)))
	return b[4-(fsp+1)/2:]
}

func randomTime(r *rand.Rand, fsp int) time.Time {
	us := r.IntN(1e6) / unit(fsp) * unit(fsp)
	return time.Date(1000+r.IntN(9000), time.Month(1+r.IntN(12)), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60), us*1000, time.UTC)
}

func dateColumn(*rand.Rand) randomColumn {
	return randomColumn{image.ColumnMeta{Type: 10}, func(r *rand.Rand) value {
		t := randomTime(r, 0).Truncate(24 * time.Hour)
		y, m, d := t.Date()
		v := value{avro: goavro.Union("int.date", t), text: t.Format(time.DateOnly)}
		switch r.IntN(8) {
		case 0:
			y, m, d, v.avro = 0, 0, 0, nil
		case 1:
			d, v.avro = 0, nil
		case 2:
			y, v.avro = 1, nil
		case 3:
			m, d, v.avro = 2, 30, nil
		}
		u := uint32(y)<<9 | uint32(m)<<5 | uint32(d)
		v.image = binary.LittleEndian.AppendUint32(nil, u)[:3]
		return v
	}}
}

func dateTimeColumn(r *rand.Rand) randomColumn {
	fsp := r.IntN(7)
	return randomColumn{image.ColumnMeta{Type: 18, Meta: uint16(fsp)}, func(r *rand.Rand) value {
		t := randomTime(r, fsp)
		us := t.UnixMicro()
		v := value{avro: long(us), text: t.Format("2006-01-02T15:04:05.999999")}
		ym, day := int64(t.Year()*13+int(t.Month())), int64(t.Day())
		if r.IntN(6) == 0 {
			ym, day, v.avro = 0, 0, nil
		}
		u := ym<<22 | day<<17 | int64(t.Hour())<<12 | int64(t.Minute())<<6 | int64(t.Second()) | 1<<39
		v.image = append(binary.BigEndian.AppendUint64(nil, uint64(u))[3:], fractionBytes(t.Nanosecond()/1000, fsp)...)
		return v
	}}
}

func timestampColumn(r *rand.Rand) randomColumn {
	fsp := r.IntN(7)
	return randomColumn{image.ColumnMeta{Type: 17, Meta: uint16(fsp)}, func(r *rand.Rand) value {
		sec, us := r.Uint32()>>r.IntN(32), r.IntN(1e6)/unit(fsp)*unit(fsp)
		t := time.Unix(int64(sec), int64(us)*1000).UTC()
		v := value{avro: goavro.Union("long.timestamp-micros", t), text: t.Format("2006-01-02T15:04:05.999999Z")}
		if sec == 0 {
			us, v.avro = 0, nil
		}
		v.image = append(binary.BigEndian.AppendUint32(nil, sec), fractionBytes(us, fsp)...)
		return v
	}}
}

func timeColumn(r *rand.Rand) randomColumn {
	fsp := r.IntN(7)
	return randomColumn{image.ColumnMeta{Type: 19, Meta: uint16(fsp)}, func(r *rand.Rand) value {
		h, m, s, us := r.IntN(839), r.IntN(60), r.IntN(60), r.IntN(1e6)/unit(fsp)*unit(fsp)
		n := int64((h*60+m)*60+s)*1e6 + int64(us)
		text := fmt.Sprintf("%02d:%02d:%02d", h, m, s)
		if us != 0 {
			text += strings.TrimRight(fmt.Sprintf(".%06d", us), "0")
		}
		// As the servers pack it: one number with the fraction below, negated
		// as a whole, biased to be positive, then cut to its bytes.
		bytesBehind := (fsp + 1) / 2
		packed := (int64(h)<<12|int64(m)<<6|int64(s))<<(8*bytesBehind) | int64(us/unit(bytesBehind*2))
		if r.IntN(2) == 0 && n != 0 {
			packed, n, text = -packed, -n, "-"+text
		}
		packed += 1 << (23 + 8*bytesBehind)
		return value{binary.BigEndian.AppendUint64(nil, uint64(packed))[5-bytesBehind:], long(n), text}
	}}
}

func yearColumn(*rand.Rand) randomColumn {
	return randomColumn{image.ColumnMeta{Type: 13}, func(r *rand.Rand) value {
		b := byte(r.Uint32())
		y := int32(b) + 1900
		if b == 0 {
			y = 0
		}
		return value{[]byte{b}, goavro.Union("int", y), fmt.Sprint(y)}
	}}
}

func bitColumn(r *rand.Rand) randomColumn {
	bits := 1 + r.IntN(64)
	return randomColumn{image.ColumnMeta{Type: 16, Meta: uint16(bits/8<<8 | bits%8)}, func(r *rand.Rand) value {
		u := r.Uint64() >> (64 - bits)
		v := value{image: binary.BigEndian.AppendUint64(nil, u)[8-(bits+7)/8:], avro: long(int64(u)), text: fmt.Sprint(u)}
		if bits == 64 {
			v.avro = goavro.Union("bytes.decimal", new(big.Rat).SetUint64(u))
		}
		return v
	}}
}

func randomLabels(n int) (labels []string) {
	for i := range n {
		labels = append(labels, fmt.Sprintf("lä%d", i))
	}
	return labels
}

func enumColumn(r *rand.Rand) randomColumn {
	labels := randomLabels(1 + r.IntN(300))
	size := 1
	if len(labels) > 255 {
		size = 2
	}
	m := image.ColumnMeta{Type: 254, Meta: uint16(247<<8 | size), Collation: 45, Labels: labels}
	return randomColumn{m, func(r *rand.Rand) value {
		n, s := r.IntN(len(labels)+1), ""
		if n > 0 {
			s = labels[n-1]
		}
		return value{binary.LittleEndian.AppendUint16(nil, uint16(n))[:size], str(s), s}
	}}
}

func setColumn(r *rand.Rand) randomColumn {
	labels := randomLabels(1 + r.IntN(64))
	size := (len(labels) + 7) / 8
	if size > 4 {
		size = 8
	} else if size == 3 {
		size = 4
	}
	m := image.ColumnMeta{Type: 254, Meta: uint16(248<<8 | size), Collation: 45, Labels: labels}
	return randomColumn{m, func(r *rand.Rand) value {
		mask := r.Uint64() & r.Uint64() >> (64 - len(labels))
		var in []string
		for i, l := range labels {
			if mask>>i&1 != 0 {
				in = append(in, l)
			}
		}
		s := strings.Join(in, ",")
		return value{binary.LittleEndian.AppendUint64(nil, mask)[:size], str(s), s}
	}}
}
