package checkpoint_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/otelaudit/auditexporter/chain"
	"github.com/otelaudit/auditexporter/checkpoint"
)

// epochs 1 to 3 begin at entries 2, 10 and 20.
func epochs(t *testing.T) *checkpoint.Epochs {
	k, id := key(t), logID(t)
	e := checkpoint.NewEpochs(verifierOf(t, k, id))
	require.NoError(t, e.Add(1, []byte(`{"v":1,"type":"opened"}`)))
	require.NoError(t, e.Add(2, checkpoint.Certify(k, id, 1, 0)))
	require.NoError(t, e.Add(10, checkpoint.Certify(k, id, 2, 1)))
	require.NoError(t, e.Add(20, checkpoint.Certify(k, id, 3, 2)))
	return e
}

// Each epoch's key signs what follows its entry, up to and including the next's.
func TestEpochOfACheckpoint(t *testing.T) {
	e := epochs(t)
	require.Equal(t, []uint64{2, 10, 20}, e.Seals())
	want := map[uint64]uint64{1: 0, 2: 0, 3: 1, 9: 1, 10: 1, 11: 2, 20: 2, 21: 3, 99: 3}
	for size, epoch := range want {
		tree := new(checkpoint.Tree)
		tree.Append(1, randomHashes(int(size)))
		require.Equal(t, epoch, e.At(size))
		for by := range uint64(5) {
			r := checkpoint.Sign(key(t), logID(t), tree, by)
			ends := size == 2 || size == 10 || size == 20
			require.Equal(t, ends && by == epoch, e.IsSeal(r.Checkpoint))
			if err := e.Check(r.Checkpoint); by == epoch || ends && by == epoch+1 {
				require.NoError(t, err, "size %d epoch %d", size, by)
			} else {
				require.Error(t, err, "size %d epoch %d", size, by)
			}
		}
	}
}

// A signature in an epoch's name with another key than the certified.
func TestEpochKeyIsTheCertifiedOne(t *testing.T) {
	tree := new(checkpoint.Tree)
	tree.Append(1, randomHashes(5))
	one, two := checkpoint.Sign(key(t), logID(t), tree, 1), checkpoint.Sign(key(t), logID(t), tree, 2)
	forged := strings.Replace(string(two.Note), "/epoch/2 ", "/epoch/1 ", 1)
	c, err := checkpoint.Parse([]byte(forged))
	require.NoError(t, err)
	require.Error(t, epochs(t).Check(c))
	require.NoError(t, epochs(t).Check(one.Checkpoint))
}

func TestEpochCertificates(t *testing.T) {
	k, id := key(t), logID(t)
	otherLog := id
	otherLog[0] ^= 1
	for name, c := range map[string]struct {
		body []byte
		want string
	}{
		"two from one epoch":         {checkpoint.Certify(k, id, 3, 2), "two certificates"},
		"epoch zero":                 {[]byte(`{"v":1,"type":"epoch_key","epoch":0,"certificate":""}`), "epoch 4 should come"},
		"an epoch left out":          {checkpoint.Certify(k, id, 5, 3), "epoch 4 should come"},
		"by the epoch before":        {checkpoint.Certify(k, id, 4, 2), "couldn't verify"},
		"by the log's key":           {checkpoint.Certify(k, id, 4, 0), "couldn't verify"},
		"of another log":             {checkpoint.Certify(k, otherLog, 4, 3), "couldn't verify"},
		"of another configured name": {checkpoint.Certify(named(t, "other"), id, 4, 3), "couldn't verify"},
		"another number inside":      {[]byte(strings.Replace(string(checkpoint.Certify(k, id, 5, 3)), `"epoch":5`, `"epoch":4`, 1)), "something else"},
		"no number":                  {[]byte(`{"v":1,"type":"epoch_key","epoch":"x"}`), "couldn't read"},
		"good":                       {checkpoint.Certify(k, id, 4, 3), ""},
	} {
		err := epochs(t).Add(30, c.body)
		if c.want == "" {
			require.NoError(t, err, name)
		} else {
			require.ErrorContains(t, err, c.want, name)
		}
	}
	fresh := checkpoint.NewEpochs(verifierOf(t, k, id))
	require.ErrorContains(t, fresh.Add(2, []byte(`{"v":1,"type":"epoch_key","epoch":0}`)), "epoch 1 should come")
}

func named(t *testing.T, name string) *checkpoint.Key {
	k, err := checkpoint.GenerateKey(name)
	require.NoError(t, err)
	return k
}

// The zero chain.Head is of the empty tree, whose record is whole.
func TestRecordOfNothing(t *testing.T) {
	r := checkpoint.Sign(key(t), logID(t), new(checkpoint.Tree), 0)
	got, err := checkpoint.ParseRecord(r.Line())
	require.NoError(t, err)
	require.Equal(t, chain.Head{}, got.Head)
}
