namespace VmRepl.Blocks.Tests;

/// <summary>Programs from outside that tests lean on.</summary>
internal static class ExternalTool
{
    /// <summary>Skips the test where a program is not installed. The one place that may skip.</summary>
    public static void Require(params string[] names)
    {
        var folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        foreach (var name in names)
            if (!folders.Any(folder => File.Exists(Path.Combine(folder, name)))) Assert.Ignore($"needs {name}");
    }
}
