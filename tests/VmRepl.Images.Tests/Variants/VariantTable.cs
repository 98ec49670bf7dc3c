using System.Reflection;
using System.Text;
using NUnit.Framework.Interfaces;

namespace VmRepl.Images.Tests.Variants;

/// <summary>The table of variants in docs/image-formats.md, made of the attributes on the tests.</summary>
internal static class VariantTable
{
    private const string Begin = "<!-- begin: written by the tests, see VariantTableTests -->", End = "<!-- end -->";

    public static readonly string[] Formats = ["QCOW2", "VHDX", "VMDK", "VHD", "RAW"];

    /// <summary>Every attribute with the test that bears it.</summary>
    public static List<(MethodInfo Test, VariantAttribute Variant)> All() =>
    [
        .. typeof(VariantTable).Assembly.GetTypes()
            .SelectMany(t => t.GetMethods(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
            .SelectMany(m => m.GetCustomAttributes<VariantAttribute>().Select(v => (m, v)))
            .OrderBy(p => Array.IndexOf(Formats, p.v.Format)).ThenBy(p => p.v.IsWritten).ThenBy(p => p.v.Name, StringComparer.Ordinal).ThenBy(p => TestName(p.m), StringComparer.Ordinal),
    ];

    public static bool IsTest(MethodInfo method) => method.GetCustomAttributes().Any(a => a is ISimpleTestBuilder or ITestBuilder);

    public static string TestName(MethodInfo method) => $"{method.DeclaringType!.Name}.{method.Name}";

    /// <summary>The document with its table replaced by what the tests say.</summary>
    public static string Update(string document)
    {
        var (begin, end) = (document.IndexOf(Begin, StringComparison.Ordinal), document.IndexOf(End, StringComparison.Ordinal));
        if (begin < 0 || end < begin) throw new InvalidDataException($"the document has no lines \"{Begin}\" and \"{End}\"");
        return document[..(begin + Begin.Length)] + "\n" + Rows() + document[end..];
    }

    private static string Rows()
    {
        var text = new StringBuilder();
        foreach (var format in All().GroupBy(p => p.Variant.Format))
        {
            text.Append($"\n**{format.Key}**\n\n| variant | | contents judged by | map judged by | test |\n| --- | --- | --- | --- | --- |\n");
            foreach (var (test, variant) in format)
                text.Append($"| {variant.Name} | {(variant.IsWritten ? "written" : "read")} | {variant.Referee} | {variant.Map ?? "—"} | `{TestName(test)}` |\n");
        }

        return text.Append('\n').ToString();
    }
}
