namespace VmRepl.EndToEnd.Guests;

/// <summary>A Debian cloud kernel and its modules, fetched with apt-get as a plain file and unpacked beside the tests; nothing is installed.</summary>
internal sealed record GuestKernel(string Kernel, string Modules)
{
    private static readonly Lazy<GuestKernel?> Found = new(Find);

    /// <summary>Skips the test where there is no busybox, no QEMU or no kernel to be had.</summary>
    public static GuestKernel Require()
    {
        ExternalTool.Require("qemu-system-x86_64", "busybox", "apt-get", "dpkg", "apt-cache");
        if (Found.Value is null) ExternalTool.Skip("needs a Debian cloud kernel from apt-get");
        return Found.Value;
    }

    private static GuestKernel? Find()
    {
        var home = Path.Combine(Path.GetTempPath(), "vmrepl-guest-kernel");
        Directory.CreateDirectory(home);
        // Test projects run beside each other; one of them fetches.
        using var only = Lock(Path.Combine(home, "lock"));
        if (Look(home) is { } there) return there;
        var (_, depends, _) = ExternalTool.Try("apt-cache", "depends", "linux-image-cloud-amd64");
        var package = depends.Split('\n').Select(line => line.Trim()).Where(line => line.StartsWith("Depends: linux-image-", StringComparison.Ordinal)).Select(line => line["Depends: ".Length..]).FirstOrDefault();
        if (package is null) return null;
        var cached = Path.Combine(home, "apt");
        Directory.CreateDirectory(Path.Combine(cached, "partial"));
        ExternalTool.Try("apt-get", "-qq", "-o", $"Dir::Cache::archives={cached}", "install", "--download-only", "--reinstall", "--yes", "--no-install-recommends", package);
        var deb = Directory.EnumerateFiles(cached, $"{package}_*.deb").FirstOrDefault();
        if (deb is null) return null;
        var unpacked = Path.Combine(home, "unpacking");
        if (ExternalTool.Try("dpkg", "-x", deb, unpacked).Status != 0) return null;
        Directory.Move(unpacked, Path.Combine(home, "root"));
        return Look(home);
    }

    private static GuestKernel? Look(string home)
    {
        var boot = Path.Combine(home, "root", "boot");
        var kernel = Directory.Exists(boot) ? Directory.EnumerateFiles(boot, "vmlinuz-*").FirstOrDefault() : null;
        return kernel is null ? null : new GuestKernel(kernel, Path.Combine(home, "root", "lib", "modules", Path.GetFileName(kernel)["vmlinuz-".Length..]));
    }

    private static FileStream Lock(string path)
    {
        while (true)
        {
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException)
            {
                Thread.Sleep(100);
            }
        }
    }
}
