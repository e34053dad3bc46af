package powercut

import (
	"context"
	"errors"
	"io"
	gofs "io/fs"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/otelaudit/auditexporter/internal/durable"
)

// node is a file or folder that the kernel knows. What it is stands in faultfs, under its path.
type node struct {
	fs.Inode
	disk *Disk
}

var (
	_ fs.NodeLookuper  = (*node)(nil)
	_ fs.NodeGetattrer = (*node)(nil)
	_ fs.NodeSetattrer = (*node)(nil)
	_ fs.NodeCreater   = (*node)(nil)
	_ fs.NodeOpener    = (*node)(nil)
	_ fs.NodeMkdirer   = (*node)(nil)
	_ fs.NodeUnlinker  = (*node)(nil)
	_ fs.NodeRmdirer   = (*node)(nil)
	_ fs.NodeRenamer   = (*node)(nil)
	_ fs.NodeReaddirer = (*node)(nil)
	_ fs.NodeFsyncer   = (*node)(nil)
	_ fs.FileReader    = (*handle)(nil)
	_ fs.FileWriter    = (*handle)(nil)
	_ fs.FileReleaser  = (*handle)(nil)
)

// handle is an open file.
type handle struct {
	disk *Disk
	file durable.File
}

func (n *node) path() string             { return "/" + n.Path(n.Root()) }
func (n *node) child(name string) string { return join(n.path(), name) }

func join(dir, name string) string {
	if dir == "/" {
		return dir + name
	}
	return dir + "/" + name
}

// answer turns the result of an operation into the kernel's. After a cut it is an error whatever it
// was: the operation may have taken effect after the image was drawn.
func (d *Disk) answer(err error) syscall.Errno {
	var errno syscall.Errno
	switch {
	case d.files.Off():
		return syscall.EIO
	case err == nil, errors.Is(err, io.EOF):
		return 0
	case errors.As(err, &errno):
		return errno
	case errors.Is(err, gofs.ErrNotExist):
		return syscall.ENOENT
	case errors.Is(err, gofs.ErrExist):
		return syscall.EEXIST
	case errors.Is(err, gofs.ErrPermission):
		return syscall.EACCES
	}
	return syscall.EIO
}

func fill(a *fuse.Attr, info durable.Info) {
	a.Ino, a.Size, a.Nlink = info.Inode, uint64(info.Size), uint32(info.Links)
	a.Mode = mode(info.Mode)
	a.Blocks = (a.Size + 511) / 512
}

func mode(m gofs.FileMode) uint32 {
	if m.IsDir() {
		return syscall.S_IFDIR | uint32(m.Perm())
	}
	return syscall.S_IFREG | uint32(m.Perm())
}

// made returns the kernel's node of a name that is there.
func (n *node) made(ctx context.Context, path string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	info, err := n.disk.files.Stat(path)
	if errno := n.disk.answer(err); errno != 0 {
		return nil, errno
	}
	fill(&out.Attr, info)
	return n.NewInode(ctx, &node{disk: n.disk}, fs.StableAttr{Mode: out.Mode & syscall.S_IFMT, Ino: info.Inode}), 0
}

func (n *node) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return n.made(ctx, n.child(name), out)
}

func (n *node) Getattr(_ context.Context, f fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	var (
		info durable.Info
		err  error
	)
	if h, ok := f.(*handle); ok {
		info, err = h.file.Stat()
	} else {
		info, err = n.disk.files.Stat(n.path())
	}
	fill(&out.Attr, info)
	return n.disk.answer(err)
}

// Setattr changes the permissions of files, and nothing else.
func (n *node) Setattr(ctx context.Context, f fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if _, truncates := in.GetSize(); truncates {
		return syscall.ENOTSUP
	}
	if perm, ok := in.GetMode(); ok && !n.IsDir() {
		file, err := n.disk.files.Open(n.path())
		if err == nil {
			err = errors.Join(file.Chmod(gofs.FileMode(perm&0o777)), file.Close())
		}
		if err != nil {
			return n.disk.answer(err)
		}
	}
	return n.Getattr(ctx, f, out)
}

func (n *node) Create(ctx context.Context, name string, _, perm uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	file, err := n.disk.files.Create(n.child(name), gofs.FileMode(perm&0o777))
	if errno := n.disk.answer(err); errno != 0 {
		return nil, nil, 0, errno
	}
	inode, errno := n.made(ctx, n.child(name), out)
	return inode, &handle{disk: n.disk, file: file}, fuse.FOPEN_DIRECT_IO, errno
}

func (n *node) Open(_ context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	open := n.disk.files.Open
	if flags&syscall.O_ACCMODE != syscall.O_RDONLY {
		open = n.disk.files.OpenWrite
	}
	file, err := open(n.path())
	if errno := n.disk.answer(err); errno != 0 {
		return nil, 0, errno
	}
	return &handle{disk: n.disk, file: file}, fuse.FOPEN_DIRECT_IO, 0
}

func (n *node) Mkdir(ctx context.Context, name string, perm uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	path := n.child(name)
	err := n.disk.files.Mkdir(path, gofs.FileMode(perm&0o777))
	if err == nil && path == Directory {
		_, err = n.disk.files.Lock(path)
	}
	if errno := n.disk.answer(err); errno != 0 {
		return nil, errno
	}
	return n.made(ctx, path, out)
}

func (n *node) Unlink(_ context.Context, name string) syscall.Errno {
	return n.disk.answer(n.disk.files.Remove(n.child(name)))
}

func (n *node) Rmdir(_ context.Context, name string) syscall.Errno {
	return n.disk.answer(n.disk.files.Remove(n.child(name)))
}

func (n *node) Rename(_ context.Context, name string, parent fs.InodeEmbedder, to string, flags uint32) syscall.Errno {
	if flags != 0 {
		return syscall.ENOTSUP
	}
	dir := "/" + parent.EmbeddedInode().Path(n.Root())
	return n.disk.answer(n.disk.files.Rename(n.child(name), join(dir, to)))
}

func (n *node) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	names, err := n.disk.files.ReadDir(n.path())
	if errno := n.disk.answer(err); errno != 0 {
		return nil, errno
	}
	list := make([]fuse.DirEntry, len(names))
	for i, e := range names {
		list[i] = fuse.DirEntry{Name: e.Name(), Mode: mode(e.Type())}
	}
	return fs.NewListDirStream(list), 0
}

// Fsync syncs a file's bytes, or a folder's names.
func (n *node) Fsync(_ context.Context, f fs.FileHandle, _ uint32) syscall.Errno {
	h, ok := f.(*handle)
	if !ok {
		return n.disk.answer(n.disk.files.SyncDir(n.path()))
	}
	s := Sync{Begin: time.Now()}
	errno := n.disk.answer(h.file.Sync())
	s.End = time.Now()
	n.disk.synced(s)
	return errno
}

func (h *handle) Read(_ context.Context, b []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	k, err := h.file.ReadAt(b, off)
	return fuse.ReadResultData(b[:k]), h.disk.answer(err)
}

func (h *handle) Write(_ context.Context, b []byte, off int64) (uint32, syscall.Errno) {
	k, err := h.file.WriteAt(b, off)
	return uint32(k), h.disk.answer(err)
}

func (h *handle) Release(context.Context) syscall.Errno { return h.disk.answer(h.file.Close()) }
