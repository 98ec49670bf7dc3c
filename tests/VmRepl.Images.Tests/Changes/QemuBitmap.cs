using System.Text.Json;
using VmRepl.Blocks;

namespace VmRepl.Images.Tests.Changes;

/// <summary>A persistent bitmap as QEMU sees it: served by qemu-nbd, read by qemu-img's own NBD client.</summary>
internal static class QemuBitmap
{
    /// <summary>The dirty extents of bitmap <paramref name="name"/>, neighbours joined.</summary>
    public static List<Extent> Dirty(string path, string name)
    {
        // A name of its own: the server before may still be about to remove its socket.
        var socket = $"{path}.{Guid.NewGuid():n}";
        // It ends by itself when its one client goes.
        QemuImg.Must("qemu-nbd", ["--fork", "-r", "-f", "qcow2", "-B", name, "-k", socket, path]);
        var options = $"driver=nbd,server.type=unix,server.path={socket},x-dirty-bitmap=qemu:dirty-bitmap:{name}";
        using var json = JsonDocument.Parse(QemuImg.Must("qemu-img", ["map", "--output=json", "--image-opts", options]));
        var dirty = new ExtentSet();
        // The option turns the meaning round: what is dirty is shown as a hole.
        foreach (var run in json.RootElement.EnumerateArray().Where(r => !r.GetProperty("data").GetBoolean()))
            dirty.Add(new Extent(run.GetProperty("start").GetInt64(), run.GetProperty("length").GetInt64()));
        return [.. dirty.Extents];
    }
}
