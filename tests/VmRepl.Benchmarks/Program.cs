using System.Globalization;
using VmRepl.Benchmarks;
using VmRepl.Benchmarks.Contests;
using VmRepl.Benchmarks.Following;
using VmRepl.Benchmarks.Ingest;
using VmRepl.Benchmarks.Nbd;
using VmRepl.Benchmarks.Scale;
using VmRepl.Benchmarks.Sharing;
using VmRepl.Benchmarks.Tracking;

// dotnet cake --target=Bench [--arguments="--size MIB --pairs N --directory DIR --vmrepl FILE --only NAME,…"]
// Measures the published command, and the journal's ingest in a process of its own, beside programs that do the same work, in one run, on one disk. Exit status: 0 measured; 1 something failed; 2 usage.
if (args is ["ingest", .. var ingest])
{
    Console.WriteLine(IngestProcess.Run(IngestOptions.Parse(ingest)));
    return 0;
}

// "sharing [DIR [ROUNDS]]", as root: what shared extents save and cost, on file systems in loop devices.
if (args is ["sharing", .. var sharing]) return SharingBench.Run(sharing);

// "scale DIR [RECORDS [RECORD-BYTES [DISK-MIB]]]": what a long journal costs to open, to view and to keep in memory.
if (args is ["scale", .. var scale]) return ScaleBench.Run(scale);

// "nbd [DIR [PAIRS [SECONDS [PATTERN]]]]": our NBD server beside nbdkit and qemu-nbd.
if (args is ["nbd", .. var nbd]) return NbdBench.Run(nbd);
if (args is ["nbd-serve", var served, var socket]) return await NbdServing.RunAsync(served, socket);

// "splitter VMREPL [DIR [PAIRS [SECONDS]]]": writes through the splitter beside the same server without one.
if (args is ["splitter", .. var splitter]) return SplitterBench.Run(splitter);

// "idle-groups VMREPL [DIR [GROUPS [SECONDS]]]": what groups cost that nobody writes to.
if (args is ["idle-groups", .. var idle]) return IdleGroupsBench.Run(idle);

// "marks [DIR]": what marking a write for a replica costs.
if (args is ["marks", .. var marks]) return MarksBench.Run(marks);

// "anchors VMREPL [DIR [PAIRS [SECONDS]]]": what a guest feels of anchors.
if (args is ["anchors", _, ..]) return AnchorBench.Run(args[1..]);
// "bad-wire VMREPL [DIR [PAIRS [SECONDS]]]": what a guest of an async group feels of a wire that delays, jitters and freezes.
if (args is ["bad-wire", _, ..]) return BadWireBench.Run(args[1..]);

BenchOptions options;
try
{
    options = BenchOptions.Parse(args);
}
catch (BenchException usage)
{
    Console.Error.WriteLine(usage.Message);
    return 2;
}

(string Name, Func<BenchRun, Contest> Make)[] contests =
    [("convert", ConvertContest.Make), ("raw-to-qcow2", ImageContests.MakeRawToQcow2), ("compressed-to-raw", ImageContests.MakeCompressedToRaw), ("vhdx-to-raw", ImageContests.MakeVhdxToRaw),
    ("vmdk-to-raw", ImageContests.MakeVmdkToRaw), ("compare", ImageContests.MakeCompare), ("map", ImageContests.MakeMap), ("baseline", BaselineContest.Make), ("round", RoundContest.Make), ("restore", RestoreContest.Make), ("restore-write", RestoreContest.MakeWriting),
    ("ingest-holes", IngestContest.MakeOverHoles), ("ingest-data", IngestContest.MakeOverData), ("ingest-random", IngestContest.MakeRandom), ("ingest-single", IngestContest.MakeSingle)];
if (options.Only.FirstOrDefault(name => contests.All(c => c.Name != name)) is { } unknown)
{
    Console.Error.WriteLine($"There is no contest {unknown}; there are {string.Join(", ", contests.Select(c => c.Name))}.");
    return 2;
}

var root = AppContext.BaseDirectory;
while (root is not null && !File.Exists(Path.Combine(root, "VmRepl.sln"))) root = Path.GetDirectoryName(root);
root ??= Environment.CurrentDirectory;
// A name of its own: whatever else lies in that directory is not ours to remove.
var directory = Path.Combine(options.Directory ?? Path.Combine(root, "artifacts"), $"vmrepl-bench-{Environment.ProcessId}");
try
{
    Directory.CreateDirectory(directory);
    var vmrepl = options.VmRepl;
    if (vmrepl is null)
    {
        Console.WriteLine("Publishing the agent.");
        var output = Path.Combine(directory, "vmrepl");
        CommandLineTool.Run("dotnet", "publish", Path.Combine(root, "agent"), "-c", "Release", "-o", output, "-v", "q", "-nologo");
        vmrepl = Path.Combine(output, "vmrepl");
    }

    foreach (var fact in Machine.Describe(directory)) Console.WriteLine($"- {fact}");
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"- {Machine.TouchMemory() >> 30} GiB of free memory touched once before, so that nobody's page cache is the first to use it"));
    var source = SourceDisk.Make(directory, vmrepl, options.SizeMib);
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
        $"- source: a disk of {options.SizeMib} MiB, every other MiB random, {source.DataBytes >> 20} MiB in all; medians of {options.Pairs} rounds in turn, one before them not counted; page cache warm, dirty pages written back before each run"));
    using var run = new BenchRun(directory, vmrepl, source);
    foreach (var (name, make) in contests.Where(c => options.Only.Count == 0 || options.Only.Contains(c.Name)))
    {
        make(run).Run(options.Pairs).WriteTo(Console.Out);
        Console.Out.Flush();
    }

    return 0;
}
catch (Exception cause) when (cause is BenchException or IOException or System.ComponentModel.Win32Exception)
{
    Console.Error.WriteLine(cause.Message);
    return 1;
}
finally
{
    if (Directory.Exists(directory)) Directory.Delete(directory, recursive: true);
}
