using System.Xml.Linq;

namespace VmRepl.Architecture.Tests;

/// <summary>The files of the repository that this test was built from.</summary>
internal static class Repository
{
    public static string Root { get; } = FindRoot();

    /// <summary>All project files below src/, tests/ and agent/, in ordinal order.</summary>
    public static IReadOnlyList<string> Projects { get; } =
        [.. new[] { "src", "tests", "agent" }.Select(folder => Below(folder)).Where(Directory.Exists).SelectMany(folder => Directory.EnumerateFiles(folder, "*.csproj", SearchOption.AllDirectories)).Order(StringComparer.Ordinal)];

    public static string Below(params string[] parts) => Path.Combine([Root, .. parts]);

    /// <summary>The names of the projects that this one refers to.</summary>
    public static string[] ReferencesOf(string project) => [.. Items(project, "ProjectReference").Select(include => Path.GetFileNameWithoutExtension(include.Replace('\\', '/')))];

    public static string[] PackagesOf(string project) => [.. Items(project, "PackageReference")];

    /// <summary>The C# files of a project, what the build makes left out.</summary>
    public static IEnumerable<string> SourcesOf(string folder) => Directory.Exists(folder)
        ? Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories).Where(file => !Path.GetRelativePath(folder, file).Split('/', '\\').Any(part => part is "bin" or "obj"))
        : [];

    private static IEnumerable<string> Items(string project, string kind) =>
        XDocument.Load(project).Descendants(kind).Select(item => (string?)item.Attribute("Include")).OfType<string>();

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "VmRepl.sln"))) return folder.FullName;
        throw new InvalidOperationException($"no VmRepl.sln above {AppContext.BaseDirectory}");
    }
}
