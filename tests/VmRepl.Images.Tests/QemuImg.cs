using System.Text.Json;
using VmRepl.Blocks;

namespace VmRepl.Images.Tests;

/// <summary>qemu-img and qemu-io as referees.</summary>
internal static class QemuImg
{
    public static void Create(string path, long length, string options = "", string? backing = null, string? backingFormat = null)
    {
        List<string> arguments = ["create", "-q", "-f", "qcow2"];
        if (options.Length > 0) arguments.AddRange(["-o", options]);
        if (backing is not null) arguments.AddRange(["-b", backing, "-F", backingFormat ?? "qcow2"]);
        arguments.Add(path);
        if (length >= 0) arguments.Add($"{length}");
        Must("qemu-img", arguments);
    }

    /// <summary>Runs qemu-io's commands, one a line. A compressed write over a cluster in use is refused by QEMU, which is no failure here: both readers get the same file.</summary>
    public static void Io(string path, IEnumerable<string> commands, string format = "qcow2")
    {
        var list = commands.ToList();
        var (_, output) = Say("qemu-io", ["-f", format, path], string.Join('\n', list) + "\nq\n");
        var failures = output.Split('\n').Where(l => l.Contains("failed", StringComparison.Ordinal) || l.Contains("an't", StringComparison.Ordinal)).ToList();
        if (failures.Count > list.Count(c => c.Contains("-c ", StringComparison.Ordinal))) throw new InvalidOperationException($"qemu-io: {output}");
    }

    /// <summary>The contents by qemu-img.</summary>
    public static byte[] Contents(string path, string format = "qcow2")
    {
        var raw = path + ".referee.raw";
        Must("qemu-img", ["convert", "-f", format, "-O", "raw", path, raw]);
        var bytes = File.ReadAllBytes(raw);
        File.Delete(raw);
        return bytes;
    }

    /// <summary>Fails the test unless qemu-img finds neither damage nor leaks.</summary>
    public static void MustBeClean(string path)
    {
        var (status, output) = Say("qemu-img", ["check", "-f", "qcow2", path]);
        Assert.That(status, Is.Zero, output);
    }

    /// <summary>The map as qemu-img sees it.</summary>
    public static List<QemuMapRun> Map(string path, string format = "qcow2")
    {
        using var json = JsonDocument.Parse(Must("qemu-img", ["map", "-f", format, "--output=json", path]));
        return [.. json.RootElement.EnumerateArray().Select(e => new QemuMapRun(
            new Extent(e.GetProperty("start").GetInt64(), e.GetProperty("length").GetInt64()), e.GetProperty("depth").GetInt32(), e.GetProperty("present").GetBoolean(),
            e.GetProperty("zero").GetBoolean(), e.GetProperty("data").GetBoolean(), e.TryGetProperty("offset", out var offset) ? offset.GetInt64() : -1))];
    }

    public static string Must(string tool, IEnumerable<string> arguments, string? input = null)
    {
        var (status, output) = Say(tool, arguments, input);
        return status == 0 ? output : throw new InvalidOperationException($"{tool} ended with {status}: {output}");
    }

    /// <summary>What a program printed on both outputs, as one text.</summary>
    public static (int Status, string Output) Say(string tool, IEnumerable<string> arguments, string? input = null)
    {
        var (status, output, error) = ExternalTool.TryWith([], input ?? "", tool, [.. arguments]);
        return (status, output + error);
    }
}
