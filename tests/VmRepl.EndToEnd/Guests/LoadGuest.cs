using System.Text;

namespace VmRepl.EndToEnd.Guests;

/// <summary>
/// A guest of a Debian kernel and busybox, whose first program does what the kernel's command line says by <c>vmrepl=</c>:
/// <c>up</c> prints GUEST UP and stays; <c>panic</c> panics; <c>off</c> powers off at once;
/// <c>load</c> mounts /dev/vda (ext4) and writes files without end, <c>seed=</c> chosen, each renamed into place after an fsync with its checksum in its name, prints LOADING, and then
/// <c>WRITTEN n</c> for each one that is durable;
/// <c>verify</c> mounts /dev/vda, compares each file in place with its checksum, prints <c>VERIFIED n files newest m</c> or <c>MISMATCH file</c>.
/// </summary>
/// <remarks>
/// A file is what its name says, or is not there: <c>f-N-SHA</c> is renamed from a temporary name after fsync, so at each crash-consistent point every file in place has to verify, and
/// each number up to the newest has to be there but the ones that the ring of 200 has removed.
/// </remarks>
internal static class LoadGuest
{
    private const string Init =
        """
        #!/bin/busybox sh
        B=/bin/busybox
        $B mount -t proc proc /proc; $B mount -t sysfs sys /sys; $B mount -t devtmpfs dev /dev
        exec </dev/console >/dev/console 2>&1
        for m in /modules/*.ko; do $B insmod $m; done
        for w in $($B cat /proc/cmdline); do case $w in vmrepl=*) MODE=${w#vmrepl=};; seed=*) SEED=${w#seed=};; esac; done
        wait_disk() { n=0; while [ ! -b /dev/vda ] && [ $n -lt 100 ]; do $B usleep 100000; n=$((n+1)); done; }
        case $MODE in
        up) [ -b /dev/vda ] && echo "DISK $($B cat /sys/block/vda/size) $($B head -c 16 /dev/vda)"; echo GUEST UP;;
        off) echo GUEST OFF; $B poweroff -f;;
        panic) echo GUEST DYING; echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger;;
        agent)
          P=$($B ls /dev/vport*p1); exec 3<>$P
          while read -r LINE <&3; do
            ID=$(echo "$LINE" | $B sed -n 's/.*"id":\([0-9]*\).*/\1/p')
            if [ -n "$ID" ]; then echo "{\"return\": $ID}" >&3; else echo '{"return": {}}' >&3; fi
          done;;
        load)
          wait_disk; $B mount -t ext4 /dev/vda /mnt || { echo MOUNT FAILED; exec $B sleep 100000; }
          echo LOADING; N=$($B ls /mnt | $B sed -n 's/^f-\([0-9]*\)-.*/\1/p' | $B sort -n | $B tail -1); N=${N:-0}
          while true; do
            N=$((N+1)); K=$(( (N * 7919 + ${SEED:-1}) % 61 + 4 ))
            echo "$SEED-$N" | $B sha256sum | $B head -c 64 >/tmp/s
            { while [ $K -gt 0 ]; do $B cat /tmp/s; $B head -c 1984 /dev/urandom; K=$((K-1)); done; } >/tmp/f
            S=$($B sha256sum </tmp/f | $B head -c 64)
            $B dd if=/tmp/f of=/mnt/tmp bs=64k conv=fsync 2>/dev/null && $B mv /mnt/tmp /mnt/f-$N-$S && $B sync && echo "WRITTEN $N" || echo "WRITE FAILED $N"
            [ $N -gt 200 ] && $B rm -f /mnt/f-$((N-200))-*
          done;;
        verify)
          wait_disk; $B mount -t ext4 /dev/vda /mnt || { echo MOUNT FAILED; exec $B sleep 100000; }
          COUNT=0; LAST=0; BAD=0; LOW=
          for F in $($B ls /mnt | $B sed -n 's/^f-\([0-9]*\)-.*/\1 &/p' | $B sort -n | $B cut -d' ' -f2); do
            N=${F#f-}; N=${N%%-*}
            if [ "$($B sha256sum </mnt/$F | $B head -c 64)" != "${F##*-}" ]; then echo "MISMATCH $F"; BAD=1; fi
            if [ $LAST -ne 0 ] && [ $N -ne $((LAST+1)) ]; then echo "MISMATCH gap before $F"; BAD=1; fi
            LAST=$N; COUNT=$((COUNT+1))
          done
          [ $BAD -eq 0 ] && echo "VERIFIED $COUNT files newest $LAST";;
        *) echo "NO MODE";;
        esac
        exec $B sleep 100000
        """;

    // In the order in which they need each other.
    private static readonly string[] Modules =
    [
        "drivers/virtio/virtio_ring.ko", "drivers/virtio/virtio.ko", "drivers/virtio/virtio_pci_legacy_dev.ko", "drivers/virtio/virtio_pci_modern_dev.ko",
        "drivers/virtio/virtio_pci.ko", "drivers/block/virtio_blk.ko", "drivers/char/virtio_console.ko",
    ];

    /// <summary>The kernel's command line for a mode.</summary>
    public static string CommandLine(string mode, int seed = 1) => $"console=ttyS0 panic=0 vmrepl={mode} seed={seed}";

    /// <summary>Writes the initial RAM disk to a new file.</summary>
    public static void WriteInitrd(GuestKernel kernel, string file)
    {
        var archive = new CpioArchive();
        foreach (var name in new[] { "bin", "dev", "proc", "sys", "mnt", "tmp", "modules" }) archive.AddDirectory(name);
        archive.AddDevice("dev/console", 5, 1);
        archive.AddFile("bin/busybox", File.ReadAllBytes("/bin/busybox"));
        for (var i = 0; i < Modules.Length; i++) archive.AddFile($"modules/{i}.ko", File.ReadAllBytes(Path.Combine(kernel.Modules, "kernel", Modules[i])));
        archive.AddFile("init", Encoding.UTF8.GetBytes(Init.ReplaceLineEndings("\n") + "\n"));
        File.WriteAllBytes(file, archive.ToArray());
    }
}
