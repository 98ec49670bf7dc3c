using System.CommandLine;

namespace VmRepl.Agent.Commands;

/// <summary>Lines to copy and change, by command.</summary>
internal static class HelpExamples
{
    private const string Root = """
        See it work, on two sample disks:
          vmrepl demo

        Protect a VM's disks (the replica on another host needs certificates):
          vmrepl replica --store /srv/vmrepl --listen 127.0.0.1:7707
          vmrepl agent --state /var/lib/vmrepl
          vmrepl protect web1 --disk sda=/vm/web1/sda.qcow2 --disk sdb=/vm/web1/sdb.vhdx --to 127.0.0.1:7707
          vmrepl sync web1
          vmrepl bookmark web1 before-upgrade
          vmrepl status

        On the bad day, from the store's directory alone:
          vmrepl points web1 --store /srv/vmrepl
          vmrepl restore-vm web1 --store /srv/vmrepl --at before-upgrade --to /vm/web1-restored

        Look into disk images:
          vmrepl image info disk.vhdx
          vmrepl image convert disk.vhdx disk.qcow2 --format qcow2
        """;

    public static string? Of(Command command) => command is RootCommand ? Root : command.Name switch
    {
        "demo" => "vmrepl demo --keep /tmp/vmrepl-demo",
        "replica" => """
            vmrepl replica --store /srv/vmrepl
            vmrepl replica --store /srv/vmrepl --seeds /srv/copies
            vmrepl replica --store /srv/vmrepl --nbd unix:/run/vmrepl/nbd.sock
            vmrepl replica --store /srv/vmrepl --listen 0.0.0.0:7707 --certificate replica.pem --key replica.key --authority ca.pem
            """,
        "agent" => """
            vmrepl agent --state /var/lib/vmrepl --config /etc/vmrepl.json
            vmrepl agent --state /var/lib/vmrepl --clones /vm/clones
            """,
        "protect" => """
            vmrepl protect web1 --disk sda=/vm/web1/sda.qcow2 --to replica.example:7707
            vmrepl protect db1 --disk system=/vm/db1/system.raw,format=raw --disk data=/vm/db1/data.vhdx --definition /etc/libvirt/qemu/db1.xml --to [2001:db8::7]:7707
            vmrepl protect big1 --disk sda=/vm/big1/sda.qcow2 --seed sda=/srv/copies/big1.vhdx --to replica.example:7707
            vmrepl protect web2 --disk sda=/vm/web2/sda.qcow2 --seed sda=group:web1/sda@before-upgrade --to replica.example:7707
            vmrepl protect app1 --disk sda=/vm/app1/sda.raw,format=raw --to 127.0.0.1:7707 --capture served --ack sync --on-loss continue
            """,
        "serve" => "vmrepl serve web1",
        "why" => "vmrepl why web1",
        "bookmark" => "vmrepl bookmark web1 before-upgrade",
        "status" => "vmrepl status --json",
        "clone" => "vmrepl clone app1 --name before-upgrade",
        "clones" => "vmrepl clones web1",
        "points" => "vmrepl points web1 --store /srv/vmrepl",
        "restore-vm" => """
            vmrepl restore-vm web1 --to /vm/web1-restored
            vmrepl restore-vm web1 --to /vm/web1-restored --at 2026-05-01T09:30:00Z --format qcow2 --store /srv/vmrepl
            vmrepl restore-vm web1 --to /vm/web1-restored --at before-upgrade --from replica.example:7707 --plan
            vmrepl restore-vm web1 --to /vm/web1-template --clone template.qcow2 --from replica.example:7707
            """,
        "attach" => """
            vmrepl attach web1 --at before-upgrade
            vmrepl attach web1 --at 2026-05-01T09:30:00Z --writable --json
            vmrepl attach web1 --list
            """,
        "detach" => """
            vmrepl detach web1
            vmrepl detach web1 --at before-upgrade --keep repaired
            """,
        "test-failover" => """
            vmrepl test-failover web1 --check "serial:login:" --screenshot web1.png
            vmrepl test-failover web1 --at before-upgrade --check agent --store /srv/vmrepl
            """,
        "rewind" => """
            vmrepl rewind web1 --to before-upgrade
            vmrepl rewind web1 --to 2026-05-01T09:30:00Z --store /srv/vmrepl
            """,
        "scrub" => """
            vmrepl scrub web1
            vmrepl scrub web1 --store /srv/vmrepl --json
            vmrepl scrub --store /srv/vmrepl
            """,
        "info" => "vmrepl image info --json disk.qcow2",
        "map" => "vmrepl image map disk.vmdk --source-format vmdk",
        "check" => "vmrepl image check disk.vhdx && echo clean",
        "convert" => """
            vmrepl image convert disk.vmdk disk.vhdx --format vhdx
            vmrepl image convert disk.qcow2 disk.vmdk --format vmdk --subformat streamOptimized
            """,
        "compare" => "vmrepl image compare before.qcow2 after.raw",
        "create" => """
            vmrepl image create disk.qcow2 --format qcow2 --size 20GiB
            vmrepl image create today.qcow2 --format qcow2 --backing base.vhdx --backing-format vhdx
            """,
        "diff" => """
            vmrepl image diff monday.qcow2 tuesday.qcow2 changes.qcow2 --format qcow2
            vmrepl image diff before-upgrade latest changes.qcow2 --format qcow2 --group web1 --disk sda --backing before-upgrade.qcow2
            """,
        "merge" => "vmrepl image merge today.qcow2 whole.vhdx --format vhdx",
        "resize" => "vmrepl image resize disk.vhdx --size 40GiB",
        _ => null,
    };
}
