namespace VmRepl.Agent.Tests.Commands.Image;

/// <summary>Images made by qemu-img and qemu-io.</summary>
internal static class SampleImages
{
    /// <summary>8 MiB with 200 KiB of data at 1 MiB and a stretch of explicit zeros.</summary>
    public static string Qcow2(TempDirectory directory, string name = "base.qcow2", params string[] options)
    {
        ExternalTool.Require("qemu-img");
        ExternalTool.Require("qemu-io");
        var path = directory.File(name);
        ExternalTool.Run("qemu-img", ["create", "-q", "-f", "qcow2", .. options, path, "8M"]);
        Write(path, "write -P 3 1M 200k", "write -z 3M 1M");
        return path;
    }

    /// <summary>An overlay on another image, with data of its own.</summary>
    public static string Overlay(TempDirectory directory, string backing, string name = "top.qcow2")
    {
        var path = directory.File(name);
        ExternalTool.Run("qemu-img", "create", "-q", "-f", "qcow2", "-b", backing, "-F", "qcow2", path);
        Write(path, "write -P 4 2M 100k", "write -z 5M 64k");
        return path;
    }

    /// <summary>The same contents in another container.</summary>
    public static string As(TempDirectory directory, string source, string format)
    {
        var path = directory.File($"copy.{format}");
        ExternalTool.Run("qemu-img", "convert", "-q", "-O", format, source, path);
        return path;
    }

    private static void Write(string path, params string[] commands) =>
        ExternalTool.Run("qemu-io", ["-f", "qcow2", .. commands.SelectMany(c => new[] { "-c", c }), path]);
}
