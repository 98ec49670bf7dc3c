// Everything a contributor does, by one command: dotnet tool restore && dotnet cake [--target=NAME].
// docs/contributing.md lists the targets. A run that tests ends in one plain line, "N passed, N failed, N skipped";
// a step that fails before or beside the tests (compiling, formatting, publishing) counts there as one failure.
// A failed test or format does not end the run: the rest is still worth knowing.
using System.Text.RegularExpressions;
using System.Xml.Linq;

var target = Argument("target", "Default");
var configuration = Argument("configuration", "Release");

var root = MakeAbsolute(Directory("."));
var solution = root.CombineWithFilePath("VmRepl.sln");
var agentProject = root.CombineWithFilePath("agent/VmRepl.Agent.csproj");
var artifacts = root.Combine("artifacts");
var testResults = artifacts.Combine("tests");

// ---------------------------------------------------------------- what was counted

// Test projects run beside each other: counted under a lock of the list of failures.
var passed = 0;
var failures = new List<string>();
var skips = new List<string>();

// For a list at the end of the run; the whole of it stands further up, and in artifacts/tests.
string OneLine(string text)
{
    var line = Regex.Replace(text ?? "", @"\s+", " ").Trim();
    return line.Length <= 400 ? line : line[..400] + "…";
}

void RunTests(FilePath project)
{
    var name = project.GetFilenameWithoutExtension().ToString();
    var trx = testResults.CombineWithFilePath(name + ".trx");
    if (FileExists(trx)) DeleteFile(trx);
    // A test host that hangs is ended, so that a run always ends by itself.
    var arguments = new ProcessArgumentBuilder()
        .Append("test").AppendQuoted(project.FullPath)
        .Append("--configuration").Append(configuration)
        .Append("--no-build").Append("--nologo").Append("--verbosity").Append("quiet")
        .Append("--logger").AppendQuoted("console;verbosity=minimal").Append("--logger").AppendQuoted($"trx;LogFileName={trx.FullPath}")
        .Append("--results-directory").AppendQuoted(testResults.FullPath)
        .Append("--blame-hang-timeout").Append("10m").Append("--blame-hang-dump-type").Append("none");
    var status = StartProcess("dotnet", new ProcessSettings { Arguments = arguments, WorkingDirectory = root });
    lock (failures) Count(name, trx, status);
}

void Count(string name, FilePath trx, int status)
{
    if (!FileExists(trx))
    {
        if (status != 0) failures.Add($"{name}: ended with status {status} and no results");
        else Information("{0}: holds no tests.", name);
        return;
    }

    XNamespace ns = "http://microsoft.com/schemas/VisualStudio/TeamTest/2010";
    var report = XDocument.Load(trx.FullPath);
    int before = failures.Count;
    foreach (var result in report.Descendants(ns + "UnitTestResult"))
    {
        var test = $"{name}: {(string)result.Attribute("testName")}";
        var output = result.Element(ns + "Output");
        var message = OneLine((string)output?.Element(ns + "ErrorInfo")?.Element(ns + "Message") ?? (string)output?.Element(ns + "StdOut"));
        switch ((string)result.Attribute("outcome"))
        {
            case "Passed": passed++; break;
            case "NotExecuted": skips.Add($"{test}: {message}"); break;
            default: failures.Add($"{test}: {message}"); break;
        }
    }

    // A host that crashed leaves a report without the tests that it never came to.
    if (status != 0 && failures.Count == before)
    {
        var said = report.Descendants(ns + "RunInfo").Select(info => OneLine((string)info.Element(ns + "Text"))).FirstOrDefault(text => text.Length > 0);
        failures.Add($"{name}: the test host ended with status {status}: {said}");
    }
}

// ---------------------------------------------------------------- what the tests use beside the SDK

// Each of these is a referee or a source of images and not a part of the product; a test that misses one is skipped and says so.
// The probe is a command on the path, "python:MODULE" or "library:FILE".
var testTools = new (string Package, string Probe)[]
{
    ("qemu-utils", "qemu-img"), ("qemu-system-x86", "qemu-system-x86_64"), ("nbdkit", "nbdkit"), ("libnbd-bin", "nbdcopy"),
    ("python3-libnbd", "python:nbd"), ("e2fsprogs", "debugfs"), ("python3-msgpack", "python:msgpack"), ("libvhdi-utils", "vhdiinfo"),
    ("libvmdk-utils", "vmdkinfo"), ("libqcow-utils", "qcowinfo"), ("7zip", "7zz"), ("busybox-static", "busybox"), ("fio", "fio"),
    ("xfsprogs", "mkfs.xfs"), ("btrfs-progs", "mkfs.btrfs"), ("openssl", "openssl"), ("libzstd1", "library:libzstd.so.1"),
};

bool IsOnPath(string command) => $"{EnvironmentVariable("PATH")}:/usr/sbin:/sbin".Split(System.IO.Path.PathSeparator)
    .Any(directory => directory.Length > 0 && System.IO.File.Exists(System.IO.Path.Combine(directory, command)));

bool IsThere(string probe)
{
    if (probe.StartsWith("python:"))
        return System.IO.File.Exists("/usr/bin/python3") && Quietly("/usr/bin/python3", $"-c \"import {probe["python:".Length..]}\"") == 0;
    if (probe.StartsWith("library:"))
        return new[] { "/lib", "/usr/lib", "/lib64", "/usr/lib64" }.Where(System.IO.Directory.Exists)
            .Any(directory => System.IO.Directory.EnumerateDirectories(directory).Append(directory)
                .Any(inner => System.IO.File.Exists(System.IO.Path.Combine(inner, probe["library:".Length..]))));
    return IsOnPath(probe);
}

int Quietly(string command, string arguments) => StartProcess(command, new ProcessSettings
{
    Arguments = arguments, RedirectStandardOutput = true, RedirectStandardError = true, Silent = true,
    RedirectedStandardOutputHandler = _ => null, RedirectedStandardErrorHandler = _ => null,
});

string[] MissingPackages() => [.. testTools.Where(tool => !IsThere(tool.Probe)).Select(tool => tool.Package)];

int AptGet(string arguments) => StartProcess("apt-get", new ProcessSettings
{
    Arguments = "-qq -o DPkg::Lock::Timeout=120 -o Acquire::Retries=2 -o Acquire::http::Timeout=30 " + arguments,
    EnvironmentVariables = new Dictionary<string, string> { ["DEBIAN_FRONTEND"] = "noninteractive" },
    RedirectStandardOutput = true, RedirectedStandardOutputHandler = _ => null, Silent = true,
});

// ---------------------------------------------------------------- targets

Task("Clean-Results").Does(() =>
{
    EnsureDirectoryExists(testResults);
    CleanDirectory(testResults);
});

Task("Restore").Does(() => DotNetRestore(solution.FullPath, new DotNetRestoreSettings { Verbosity = DotNetVerbosity.Quiet }));

Task("Build")
    .Description("Compiles everything; a warning is an error.")
    .IsDependentOn("Restore")
    .Does(() => DotNetBuild(solution.FullPath, new DotNetBuildSettings
    {
        Configuration = configuration, NoRestore = true, NoLogo = true, Verbosity = DotNetVerbosity.Quiet,
    }));

Task("Format")
    .Description("Checks that white space is as .editorconfig says; mend it with: dotnet format whitespace --folder .")
    .Does(() =>
    {
        if (StartProcess("dotnet", $"format whitespace --folder --verify-no-changes {root.FullPath} --exclude artifacts") != 0)
            failures.Add("White space is not as .editorconfig says; run: dotnet format whitespace --folder .");
    });

Task("Test-Tools")
    .Description("On Debian as root installs what the tests use; elsewhere names what is missing.")
    .Does(() =>
    {
        var missing = MissingPackages();
        if (missing.Length > 0 && FileExists("/etc/debian_version") && Environment.UserName == "root")
        {
            Information("Installing {0}.", string.Join(' ', missing));
            AptGet("update");
            // One package that a release does not have must not cost the others.
            if (AptGet("install -y --no-install-recommends " + string.Join(' ', missing)) != 0)
                foreach (var package in missing) AptGet("install -y --no-install-recommends " + package);
            missing = MissingPackages();
        }

        // The guests' kernel is fetched by the first test that boots one, as a file; a fresh machine has no list of packages to find it in.
        if (FileExists("/etc/debian_version") && Environment.UserName == "root" && !DirectoryExists("/tmp/vmrepl-guest-kernel/root") && Quietly("apt-cache", "show linux-image-cloud-amd64") != 0)
            AptGet("update");

        if (missing.Length > 0)
            Warning("Missing here, so the tests that use them will be skipped: {0}.", string.Join(' ', missing));
    });

Task("Test")
    .Description("Compiles and runs every test project, the end-to-end tests included.")
    .IsDependentOn("Clean-Results").IsDependentOn("Build").IsDependentOn("Test-Tools")
    .Does(() =>
    {
        // Two projects at a time, since most tests keep one processor busy. The end-to-end tests are alone: they do that for themselves, and some of them measure.
        var projects = System.Collections.Concurrent.Partitioner.Create(GetFiles("tests/*.Tests/*.csproj").OrderBy(file => file.FullPath), System.Collections.Concurrent.EnumerablePartitionerOptions.NoBuffering);
        System.Threading.Tasks.Parallel.ForEach(projects, new System.Threading.Tasks.ParallelOptions { MaxDegreeOfParallelism = Math.Min(2, Environment.ProcessorCount) }, RunTests);
        foreach (var project in GetFiles("tests/VmRepl.EndToEnd/*.csproj")) RunTests(project);
    });

Task("EndToEnd")
    .Description("Compiles and runs the end-to-end tests alone.")
    .IsDependentOn("Clean-Results").IsDependentOn("Build").IsDependentOn("Test-Tools")
    .Does(() =>
    {
        RunTests(root.CombineWithFilePath("tests/VmRepl.EndToEnd/VmRepl.EndToEnd.csproj"));
    });

Task("Windows")
    .Description("Publishes for Windows, with the platform analyzer on. Nothing is run there.")
    .IsDependentOn("Test")
    .Does(() => Publish("win-x64", selfContained: false));

Task("Default")
    .Description("Compiles, checks the format, tests, simulates 500 seeds of the journal and 300 of the whole system, finds each bug that is planted there, reads 20,000 damaged images, and publishes for Windows.")
    .IsDependentOn("Format").IsDependentOn("Test").IsDependentOn("Simulate-Some").IsDependentOn("Simulate-System").IsDependentOn("Simulate-Plants").IsDependentOn("Fuzz-Some").IsDependentOn("Windows");

Task("Package")
    .Description("Publishes linux-x64 and win-x64, runtime included, into artifacts/.")
    .Does(() =>
    {
        Publish("linux-x64", selfContained: true);
        Publish("win-x64", selfContained: true);
    });

void Publish(string runtime, bool selfContained)
{
    var output = artifacts.Combine((selfContained ? "vmrepl-" : "check-") + runtime);
    EnsureDirectoryExists(output);
    CleanDirectory(output);
    DotNetPublish(agentProject.FullPath, new DotNetPublishSettings
    {
        Configuration = configuration, Runtime = runtime, SelfContained = selfContained, OutputDirectory = output,
        NoLogo = true, Verbosity = DotNetVerbosity.Quiet,
    });
    Information("{0} is in {1}.", runtime, root.GetRelativePath(output));
}

// A target whose project is not there yet says so and fails: it must never look as if it had found nothing wrong.
void RunProject(string name, string arguments)
{
    var project = root.CombineWithFilePath($"tests/{name}/{name}.csproj");
    if (!FileExists(project)) throw new CakeException($"There is nothing behind {target} yet: tests/{name} does not exist.");
    var status = StartProcess("dotnet", $"run --configuration {configuration} --project {project.FullPath} -- {arguments}");
    if (status != 0) throw new CakeException($"{name} ended with status {status}.");
}

T Number<T>(string name, T otherwise) where T : IParsable<T>
{
    if (!HasArgument(name)) return otherwise;
    var text = Argument<string>(name);
    return T.TryParse(text, System.Globalization.CultureInfo.InvariantCulture, out var number)
        ? number : throw new CakeException($"--{name}={text} is not a number from {typeof(T).GetField("MinValue").GetValue(null)} to {typeof(T).GetField("MaxValue").GetValue(null)}.");
}

// The seed is printed before anything runs, so that a failure, or a run that was cut off, can be had again.
void RunSeeded(string project)
{
    var seed = Number("seed", unchecked((ulong)System.Random.Shared.NextInt64()));
    var runs = Number("runs", 100);
    if (runs < 1) throw new CakeException($"--runs={runs} must be at least 1.");
    var plant = HasArgument("plant") ? Argument<string>("plant") : null;
    if (plant is not null && project != "VmRepl.Simulation") throw new CakeException("--plant=NAME belongs to --target=Simulate.");
    var state = HasArgument("state") ? Argument<string>("state") : null;
    if (state is not null && project != "VmRepl.Fuzz") throw new CakeException("--state=FILE belongs to --target=Fuzz.");
    var system = HasArgument("system") ? " --system" : "";
    if (system.Length > 0 && project != "VmRepl.Simulation") throw new CakeException("--system belongs to --target=Simulate.");
    Information("Seed {0}, {1} runs; again with: dotnet cake --target={2} --seed={0} --runs={1}{3}{4}", seed, runs, target, system, plant is null ? "" : $" --plant={plant}");
    RunProject(project, $"--seed {seed} --runs {runs}" + system + (plant is null ? "" : $" --plant {plant}") + (state is null ? "" : $" --state {state}"));
}

Task("Simulate")
    .Description("The journal on simulated volumes, or with --system a source, a replica and the network between them, with seeded faults: --seed=N (unsigned, 64 bits) --runs=N [--system] [--plant=NAME].")
    .Does(() => RunSeeded("VmRepl.Simulation"));

// The seeds are the same in each run, so that a change is what makes the difference; --target=Simulate and --target=Fuzz draw others.
void RunSome(string name, string project, int runs, string options = "")
{
    try
    {
        RunProject(project, $"--seed 1 --runs {runs}{options}");
        passed++;
    }
    catch (CakeException cause)
    {
        failures.Add($"{name}: {OneLine(cause.Message)}");
    }
}

Task("Simulate-Some")
    .Description("500 seeds of Simulate, as a part of every run: a minute and a half on two cores.")
    .IsDependentOn("Build")
    .Does(() => RunSome("Simulate-Some", "VmRepl.Simulation", 500));

Task("Simulate-System")
    .Description("300 seeds of Simulate --system, as a part of every run: about three minutes.")
    .IsDependentOn("Build")
    .Does(() => RunSome("Simulate-System", "VmRepl.Simulation", 300, " --system"));

Task("Simulate-Plants")
    .Description("Plants each bug of the system's simulation and looks for it within 300 seeds, as a part of every run.")
    .IsDependentOn("Build")
    .Does(() => RunSome("Simulate-Plants", "VmRepl.Simulation", 300, " --system --plant each"));

Task("Fuzz")
    .Description("Damaged and hostile images for every reader: --seed=N (unsigned, 64 bits) --runs=N [--state=FILE].")
    .Does(() => RunSeeded("VmRepl.Fuzz"));

Task("Fuzz-Some")
    .Description("20,000 seeds of Fuzz, as a part of every run: under a minute on two cores.")
    .IsDependentOn("Build")
    .Does(() => RunSome("Fuzz-Some", "VmRepl.Fuzz", 20000));

Task("Bench")
    .Description("Measures, beside other programs that do the same work.")
    .Does(() => RunProject("VmRepl.Benchmarks", Argument("arguments", "")));

#load "images/samples.cake"

// ---------------------------------------------------------------- the run, and its last line

var step = target;
TaskSetup(context => step = context.Task.Name);
try
{
    RunTarget(target);
}
catch (Exception cause)
{
    failures.Add(step + ": " + OneLine(cause is AggregateException several ? several.Flatten().InnerException.Message : cause.Message));
}

if (skips.Count > 0) Console.WriteLine("\nSkipped:\n  " + string.Join("\n  ", skips));
if (failures.Count > 0) Console.WriteLine("\nFailed:\n  " + string.Join("\n  ", failures));
if (target is "Default" or "Test" or "EndToEnd") Console.WriteLine($"\n{passed} passed, {failures.Count} failed, {skips.Count} skipped");
Console.Out.Flush();
// Cake would print an error of its own after the counts if an exception went on.
Environment.Exit(failures.Count == 0 ? 0 : 1);
