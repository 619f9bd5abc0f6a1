# Makes a system that is like this one, and forgets everything: $1 is an empty folder for it, $2 a file to install.
# It runs as the first process of namespaces of its own, and goes on as systemd.
set -eu
mount -t tmpfs tmpfs "$1"
cd "$1"
mkdir upper work root
mount -t overlay -o lowerdir=/,upperdir=upper,workdir=work overlay root
cd root
if ! [ -d var/lib/dpkg/info ] || ! [ -d usr/bin ]; then
	echo 'the package is tested in a copy of the root file system, and /usr or /var is not in it' >&2
	exit 1
fi
cp "$2" package.deb

mount -t proc proc proc
# What is set there is often the whole host's.
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount -t tmpfs tmpfs dev
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
for device in 'null 3' 'zero 5' 'full 7' 'random 8' 'urandom 9'; do
	mknod -m 666 "dev/${device% *}" c 1 "${device#* }"
done
mknod -m 666 dev/tty c 5 0
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
touch dev/console

# Of this system's services none is to run there: what is not there is not started.
rm -rf etc/systemd/system usr/lib/systemd/system-generators usr/lib/systemd/system/*.wants usr/lib/systemd/system/*.requires
mkdir etc/systemd/system
# With it packages could neither start nor stop services: it is for systems without them.
rm -f usr/sbin/policy-rc.d
# It takes dpkg seconds to index the manual pages.
rm -f var/lib/man-db/auto-update
: >etc/fstab
cat >etc/systemd/system/test.target <<'END'
[Unit]
Wants=systemd-journald.service basic.target
END

mount --make-rprivate /
mkdir old
pivot_root . old
umount -l old
export container=test
exec /lib/systemd/systemd --unit=test.target --show-status=no
